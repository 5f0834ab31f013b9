package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"penstock/internal/price"
)

func main() {
	in := flag.String("in", "model_prices_and_context_window.json", "LiteLLM's price `file`")
	out := flag.String("out", "internal/price/prices.tsv", "table `file` to write")
	date := flag.String("date", time.Now().UTC().Format(time.DateOnly), "`day` the price file was read")
	flag.Parse()
	if err := generate(*in, *out, *date); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(in, out, date string) error {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return fmt.Errorf("-date: %w", err)
	}
	file, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	text, unused, err := price.Convert(file, day)
	if err != nil {
		return err
	}
	book, err := price.Parse(text)
	if err == nil {
		err = book.Check()
	}
	if err != nil {
		return fmt.Errorf("read back what was written: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(unused)) {
		fmt.Fprintf(os.Stderr, "not used: %5d %s\n", unused[name], name)
	}
	fmt.Fprintf(os.Stderr, "%d models, version %s, %d bytes\n", book.Len(), book.Version(), len(text))
	return os.WriteFile(out, []byte(text), 0o644)
}
