// Package server puts the house together: it opens what the configuration names, wires it, listens, and stops without
// dropping a request. It is the only place that knows all rooms, and it holds wiring only: whatever decides, keeps or
// renders anything is in the room of that thing.
package server
