// Goyaml says whether sigs.k8s.io/yaml, through which kubectl, Argo CD and Kargo read YAML, reads
// documents back as they were meant.
//
// Each line of standard input is {"yaml": "…", "value": …}. Each line of standard output answers
// one: "ok", or what was read. plugin/tests/yaml_readers.rs asks.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log"
	"os"
	"strconv"

	"sigs.k8s.io/yaml"
)

type question struct {
	YAML  string          `json:"yaml"`
	Value json.RawMessage `json:"value"`
}

func main() {
	questions := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	answers := bufio.NewWriter(os.Stdout)
	for {
		var q question
		if err := questions.Decode(&q); err == io.EOF {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		answers.WriteString(verdict(q) + "\n")
	}
	if err := answers.Flush(); err != nil {
		log.Fatal(err)
	}
}

func verdict(q question) string {
	read, err := yaml.YAMLToJSONStrict([]byte(q.YAML))
	if err != nil {
		return strconv.QuoteToASCII(err.Error())
	}
	if normal(read) != normal(q.Value) {
		return strconv.QuoteToASCII(string(read))
	}
	return "ok"
}

// normal is one spelling of JSON: sorted keys, the same escapes, numbers as they are written.
func normal(text []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		log.Fatal(err)
	}
	normal, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	return string(normal)
}
