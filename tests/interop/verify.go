// Verify an exported log with golang.org/x/mod/sumdb (note and tlog), which knows nothing of us:
// the checkpoint's signature, every tile against the signed tree, every entry against its tile,
// and that each kept checkpoint is a prefix of the latest.
//
// Usage: GO111MODULE=off GOPATH=/usr/share/gocode go run verify.go FOLDER VKEY
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8
const width = 1 << height

type folder struct{ root string }

func (f folder) Height() int               { return height }
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

// C2SP leaves the height out of the path that x/mod writes: tile/8/0/000 is tile/0/000.
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		read, err := os.ReadFile(filepath.Join(f.root, path))
		if err != nil {
			return nil, err
		}
		data[i] = read
	}
	return data, nil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(path, vkey string) tlog.Tree {
	raw, err := os.ReadFile(path)
	fail(err)
	verifier, err := note.NewVerifier(vkey)
	fail(err)
	opened, err := note.Open(raw, note.VerifierList(verifier))
	fail(err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		fail(fmt.Errorf("origin %q is not the key's name", lines[0]))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	fail(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	fail(err)
	tree := tlog.Tree{N: size}
	if copy(tree.Hash[:], root) != len(tree.Hash) {
		fail(fmt.Errorf("root of %d bytes", len(root)))
	}
	return tree
}

func bundlePath(number, entries int64) string {
	tile := tlog.Tile{H: height, L: 0, N: number, W: int(entries)}
	return strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
}

func checkEntries(root string, tree tlog.Tree, hashes tlog.HashReader) {
	for start := int64(0); start < tree.N; start += width {
		entries := tree.N - start
		if entries > width {
			entries = width
		}
		data, err := os.ReadFile(filepath.Join(root, bundlePath(start/width, entries)))
		fail(err)
		for i := start; i < start+entries; i++ {
			length := int(binary.BigEndian.Uint16(data))
			record := tlog.RecordHash(data[2 : 2+length])
			data = data[2+length:]
			stored, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
			fail(err)
			if stored[0] != record {
				fail(fmt.Errorf("entry %d differs from its tile", i))
			}
			proof, err := tlog.ProveRecord(tree.N, i, hashes)
			fail(err)
			fail(tlog.CheckRecord(proof, tree.N, tree.Hash, i, record))
		}
		if len(data) != 0 {
			fail(fmt.Errorf("%d bytes follow the last entry", len(data)))
		}
	}
}

func main() {
	root, vkey := os.Args[1], os.Args[2]
	tree := open(filepath.Join(root, "checkpoint"), vkey)
	// The reader authenticates every tile against the signed tree before it returns a hash.
	hashes := tlog.TileHashReader(tree, folder{root})
	checkEntries(root, tree, hashes)
	kept, err := filepath.Glob(filepath.Join(root, "checkpoints", "[0-9]*"))
	fail(err)
	for _, path := range kept {
		older := open(path, vkey)
		if older.N == 0 {
			continue
		}
		proof, err := tlog.ProveTree(tree.N, older.N, hashes)
		fail(err)
		fail(tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash))
	}
	fmt.Printf("ok %d entries, %d checkpoints\n", tree.N, len(kept))
}
