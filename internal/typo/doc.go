// Package typo measures how far a mistyped name is from the one that was meant.
package typo
