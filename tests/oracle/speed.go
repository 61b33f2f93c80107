package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// speed reads a JSON list of Dockerfiles from the first line of stdin; for each line behind it, it
// parses them all with BuildKit's parser, lines and instructions, and writes the nanoseconds.
func speed() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	line, err := in.ReadBytes('\n')
	var files []string
	if err == nil {
		err = json.Unmarshal(line, &files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for {
		if _, err := in.ReadBytes('\n'); err != nil {
			return
		}
		start := time.Now()
		for _, file := range files {
			tree, err := parser.Parse(strings.NewReader(file))
			if err == nil {
				_, _, err = instructions.Parse(tree.AST, linter.New(&linter.Config{SkipAll: true}))
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
		}
		fmt.Println(time.Since(start).Nanoseconds())
	}
}
