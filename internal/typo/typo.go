package typo

// Distance returns the number of bytes to add, drop, change or swap to turn a
// into b. If that is more than limit, so is what it returns, though not
// necessarily the true number: names too different in length cost no look.
func Distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// Nearest returns the name that s most likely meant, "" if none is close or s
// is one of them.
func Nearest(s string, names []string) string {
	best, found := len(s)/3+1, ""
	for _, name := range names {
		if d := Distance(s, name, best); d <= best && d > 0 && (found == "" || d < best) {
			best, found = d, name
		}
	}
	return found
}
