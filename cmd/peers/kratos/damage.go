package kratos

import (
	"bytes"
	"errors"
	"os"
)

// damaged is how many bytes of the database are spoilt: its first page, which every question reads.
const damaged = 4096

// BreakDatabase makes Kratos unable to read its database, as an outage of one does, until mend is called. Nothing may
// write meanwhile.
func (p *Peer) BreakDatabase() (mend func() error, err error) {
	f, err := os.OpenFile(p.path("db.sqlite"), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	good := make([]byte, damaged)
	if _, err := f.ReadAt(good, 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	mend = func() error {
		_, err := f.WriteAt(good, 0)
		return errors.Join(err, f.Close())
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{0x55}, damaged), 0); err != nil {
		return nil, errors.Join(err, mend())
	}
	return mend, nil
}
