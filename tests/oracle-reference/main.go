// Oracle-reference says what the reference library makes of texts.
//
// Each line of standard input is a JSON string. Each line of standard output answers one: "-" where
// ParseNormalizedNamed refuses it, or else domain, path, tag, digest, normalized and familiar form
// as a JSON list. plugin/tests/reference_oracle.rs asks.
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"os"

	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/distribution/reference"
)

func main() {
	questions := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	answers := bufio.NewWriterSize(os.Stdout, 1<<20)
	for {
		var text string
		if err := questions.Decode(&text); err == io.EOF {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		answers.WriteString(answer(text) + "\n")
	}
	if err := answers.Flush(); err != nil {
		log.Fatal(err)
	}
}

func answer(text string) string {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return "-"
	}
	var tag, digest string
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		digest = digested.Digest().String()
	}
	parts, err := json.Marshal([]string{
		reference.Domain(named), reference.Path(named), tag, digest,
		reference.TagNameOnly(named).String(), reference.FamiliarString(named),
	})
	if err != nil {
		log.Fatal(err)
	}
	return string(parts)
}
