package store

import (
	"context"
	"fmt"
	"time"
)

// Board is where replicas leave word for each other, in a table of PostgreSQL.
type Board struct{ db *DB }

// Board returns the board. It is for PostgreSQL: nobody shares a file.
func (db *DB) Board() *Board { return &Board{db} }

// Now returns the server's time.
func (b *Board) Now(ctx context.Context) (time.Time, error) {
	var us int64
	if err := b.db.r.QueryRowContext(ctx, "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT").Scan(&us); err != nil {
		return time.Time{}, fmt.Errorf("ask the database for the time: %w", err)
	}
	return time.UnixMicro(us), nil
}

// Exchange leaves the replica's word and returns everybody's. Words stay until
// somebody forgets them: the time to keep is for boards that cannot be listed.
func (b *Board) Exchange(ctx context.Context, replica, word string, _ time.Duration) (map[string]string, error) {
	if _, err := b.db.w.ExecContext(ctx, "INSERT INTO board (replica, word) VALUES ($1, $2) ON CONFLICT (replica) DO UPDATE SET word = excluded.word", replica, word); err != nil {
		return nil, fmt.Errorf("leave word for other replicas: %w", err)
	}
	rows, err := b.db.r.QueryContext(ctx, "SELECT replica, word FROM board")
	if err != nil {
		return nil, fmt.Errorf("read the words of other replicas: %w", err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, said string
		if err := rows.Scan(&name, &said); err != nil {
			return nil, fmt.Errorf("read the words of other replicas: %w", err)
		}
		all[name] = said
	}
	return all, rows.Err()
}

// Forget removes the words of these replicas.
func (b *Board) Forget(ctx context.Context, replicas []string) error {
	for _, name := range replicas { // few, and seldom
		if _, err := b.db.w.ExecContext(ctx, "DELETE FROM board WHERE replica = $1", name); err != nil {
			return fmt.Errorf("forget a replica: %w", err)
		}
	}
	return nil
}
