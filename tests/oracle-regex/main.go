// Oracle-regex says what Go's regexp makes of patterns.
//
// Each line of standard input is {"pattern": "…", "tags": ["…"]}. Each line of standard output
// answers one: "-" where regexp.Compile refuses the pattern, or else one digit a tag, 1 where it
// matches. plugin/tests/go_regex_oracle.rs asks.
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"os"
	"regexp"
)

type question struct {
	Pattern string   `json:"pattern"`
	Tags    []string `json:"tags"`
}

func main() {
	questions := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	answers := bufio.NewWriterSize(os.Stdout, 1<<20)
	for {
		var q question
		if err := questions.Decode(&q); err == io.EOF {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		answers.WriteString(answer(q) + "\n")
	}
	if err := answers.Flush(); err != nil {
		log.Fatal(err)
	}
}

func answer(q question) string {
	pattern, err := regexp.Compile(q.Pattern)
	if err != nil {
		return "-"
	}
	matches := make([]byte, len(q.Tags))
	for i, tag := range q.Tags {
		matches[i] = '0'
		if pattern.MatchString(tag) {
			matches[i] = '1'
		}
	}
	return string(matches)
}
