// Package password is what sources share that check passwords themselves: which hashes are accepted, and how often
// somebody may guess.
package password
