package server

import (
	"context"
	"errors"
	"time"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/session"
)

// storeProbe bounds the question whether the store answers.
const storeProbe = 2 * time.Second

// health is what the house says of itself: the store, and each source that can say how it is.
func (h *house) health() *admin.Health {
	parts := []admin.Part{{Name: "store", Vital: true, Health: h.storeHealth}}
	for _, src := range h.sources {
		if c, ok := src.(session.HealthChecker); ok {
			parts = append(parts, admin.Part{Name: "source " + src.Name(), Health: c.Health})
		}
	}
	return admin.NewHealth(parts...)
}

// storeHealth asks the store for a record that is not there.
func (h *house) storeHealth() error {
	ctx, cancel := context.WithTimeout(context.Background(), storeProbe)
	defer cancel()
	_, err := h.store.Get(ctx, "health")
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return err
}
