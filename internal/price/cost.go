package price

import "penstock/internal/gateway"

// Breakdown is what the parts of a call cost. The parts add up to Total
// exactly, although each is a whole number of nano-dollars.
type Breakdown struct {
	Input      gateway.NanoUSD // without what follows
	CacheRead  gateway.NanoUSD
	CacheWrite gateway.NanoUSD // for five minutes and for an hour
	AudioIn    gateway.NanoUSD
	ImageIn    gateway.NanoUSD
	Output     gateway.NanoUSD // without what follows
	Reasoning  gateway.NanoUSD
	AudioOut   gateway.NanoUSD
	ImageOut   gateway.NanoUSD
	Search     gateway.NanoUSD // web searches
	Total      gateway.NanoUSD
}

// Cost returns what a call that used u costs, rounded to the nearest
// nano-dollar once. Counts below zero cost nothing.
func (r *Rate) Cost(u gateway.Usage) gateway.NanoUSD {
	var sum amount
	for _, a := range r.items(u) {
		sum = sum.add(a)
	}
	return sum.rounded()
}

// Breakdown returns the parts of Cost.
func (r *Rate) Breakdown(u gateway.Usage) Breakdown {
	items := r.items(u)
	var sum amount
	var booked gateway.NanoUSD
	// Rounding the running sum instead of each part makes the parts add up.
	next := func(as ...amount) gateway.NanoUSD {
		for _, a := range as {
			sum = sum.add(a)
		}
		part := sum.rounded() - booked
		booked += part
		return part
	}
	return Breakdown{
		Input:      next(items[input]),
		CacheRead:  next(items[cacheRead]),
		CacheWrite: next(items[cacheWrite], items[cacheWrite1h]),
		AudioIn:    next(items[audioIn]),
		ImageIn:    next(items[imageIn]),
		Output:     next(items[output]),
		Reasoning:  next(items[reasoning]),
		AudioOut:   next(items[audioOut]),
		ImageOut:   next(items[imageOut]),
		Search:     next(items[billed]),
		Total:      booked,
	}
}

// items returns what each part costs, and at the end the web searches.
func (r *Rate) items(u gateway.Usage) [billed + 1]amount {
	l := r.tier(u.Tier).level(u.Prompt)
	n := split(u)
	var items [billed + 1]amount
	for p := range billed {
		items[p] = l.price[p].times(n[p])
	}
	items[billed] = r.search.times(u.WebSearches)
	return items
}

// split counts every token once. Some vendors count a token under two details
// (audio that was cached), so audio, images and reasoning get at most what is
// left of their whole. Cache counts are not cut: where they exceed the prompt,
// the vendor left them out of it, and they were used all the same.
func split(u gateway.Usage) [billed]int64 {
	var n [billed]int64
	left := max(0, u.Prompt)
	take := func(p part, count int64) {
		n[p] = min(max(0, count), left)
		left -= n[p]
	}
	n[cacheRead], n[cacheWrite], n[cacheWrite1h] = u.CacheRead, u.CacheWrite, u.CacheWrite1h
	for p := cacheRead; p <= cacheWrite1h; p++ {
		n[p] = max(0, n[p])
		left = max(0, left-n[p])
	}
	take(audioIn, u.AudioIn)
	take(imageIn, u.ImageIn)
	n[input] = left

	left = max(0, u.Completion)
	take(audioOut, u.AudioOut)
	take(imageOut, u.ImageOut)
	take(reasoning, u.Reasoning)
	n[output] = left
	return n
}
