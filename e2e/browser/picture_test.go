// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
)

// ofPage is the keyword of what a picture of the sample has in it: the hash of the
// page that it shows. Pixels differ from browser to browser.
const ofPage = "page\x00"

// sampleHash is that of the page as it is now.
func sampleHash(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	must(t, sample().WriteHTML(&b))
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:])
}

// stamp puts a text chunk with the page's hash behind the header of a PNG (RFC 2083,
// 4.2.3.1).
func stamp(picture []byte, hash string) []byte {
	const header = 8 + 8 + 13 + 4 // signature, and the chunk IHDR
	chunk := append([]byte("tEXt"), ofPage+hash...)
	out := append([]byte(nil), picture[:header]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(chunk)-4))
	out = append(out, chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	return append(out, picture[header:]...)
}

// TestPicturesAreCurrent: the pictures in docs/ are of the page as it is now.
func TestPicturesAreCurrent(t *testing.T) {
	for _, name := range []string{"report-light.png", "report-dark.png"} {
		b, err := os.ReadFile(filepath.Join(jaegerd.Root(t), "docs", "img", name))
		must(t, err)
		if !bytes.Contains(b, []byte("tEXt"+ofPage+sampleHash(t))) {
			t.Errorf("docs/img/%s shows another page. Look at the difference, then make it again:\n"+
				"E2E=1 go test ./e2e/browser -run TestReport/schemes -screenshots $PWD/docs/img", name)
		}
	}
}
