package middleware

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/mileusna/useragent"

	"github.com/sessionward/sessionward/session"
)

// maxAgent bounds, in bytes, how much of a User-Agent is read.
const maxAgent = 256

// unknownDevice is what a client is called that says nothing we know.
const unknownDevice = "Unknown device"

// clientNames are the programs a device may be named by, and what people call them. Whoever sends a User-Agent writes it:
// any other word of it could be a message to the person who looks at their sessions.
var clientNames = map[string]string{
	useragent.Chrome: "Chrome", useragent.HeadlessChrome: "Chrome without a window", useragent.Firefox: "Firefox",
	useragent.Safari: "Safari", useragent.MobileSafari: "Safari", useragent.Edge: "Edge", useragent.Opera: "Opera",
	useragent.OperaMini: "Opera Mini", useragent.OperaTouch: "Opera Touch", useragent.Vivaldi: "Vivaldi",
	useragent.InternetExplorer: "Internet Explorer", useragent.SamsungBrowser: "Samsung Internet",
	useragent.FacebookApp: "Facebook", useragent.InstagramApp: "Instagram", useragent.TiktokApp: "TikTok",
	"curl": "curl", "Wget": "Wget", "Go-http-client": "A Go program", "python-requests": "A Python program",
	"okhttp": "An app on Android", "PostmanRuntime": "Postman",
}

// systemNames are the operating systems a device may be named by.
var systemNames = map[string]string{
	useragent.Windows: "Windows", useragent.Android: "Android", useragent.MacOS: "macOS", useragent.IOS: "iOS",
	useragent.Linux: "Linux", useragent.FreeBSD: "FreeBSD", useragent.ChromeOS: "ChromeOS", useragent.Harmony: "HarmonyOS",
	useragent.WindowsPhone: "Windows Phone", useragent.BlackBerry: "BlackBerry",
}

// deviceName says in a few words what sent a User-Agent: "Firefox on Windows". It holds none of the sender's words.
func deviceName(agent string) string {
	p := useragent.Parse(strings.ToValidUTF8(agent[:min(len(agent), maxAgent)], ""))
	client, system := clientNames[p.Name], systemNames[p.OS]
	if p.OS == useragent.IOS && (p.Device == "iPhone" || p.Device == "iPad") {
		system = p.Device
	}
	switch {
	case client == "" && system == "":
		return unknownDevice
	case client == "":
		return "Something on " + system
	case system == "":
		return client
	default:
		return client + " on " + system
	}
}

// plainIP is an address as it is usually written, "" for anything else.
func plainIP(text string) string {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// lastUsed returns the devices of a session, the one that was used last first.
func lastUsed(devices []session.Device) []session.Device {
	sorted := slices.Clone(devices)
	slices.SortStableFunc(sorted, func(a, b session.Device) int { return b.LastSeenAt.Compare(a.LastSeenAt) })
	return sorted
}
