package redis

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"
)

// Board is where replicas leave word for each other: a hash by their names.
type Board struct{ db *DB }

// Board returns the board.
func (db *DB) Board() *Board { return &Board{db} }

func (b *Board) key() string { return b.db.key("figures") }

// Now returns the server's time.
func (b *Board) Now(ctx context.Context) (time.Time, error) {
	client, err := b.db.connect(ctx)
	if err != nil {
		return time.Time{}, err
	}
	parts, err := client.Do(ctx, client.B().Time().Build()).AsStrSlice()
	if err != nil {
		return time.Time{}, fmt.Errorf("redis: %w", err)
	}
	if len(parts) != 2 {
		return time.Time{}, fmt.Errorf("redis: TIME answered %d numbers", len(parts))
	}
	s, err1 := strconv.ParseInt(parts[0], 10, 64)
	us, err2 := strconv.ParseInt(parts[1], 10, 64)
	return time.UnixMicro(s*1e6 + us), cmp.Or(err1, err2)
}

// Exchange leaves the replica's word and returns everybody's.
func (b *Board) Exchange(ctx context.Context, replica, word string, keep time.Duration) (map[string]string, error) {
	client, err := b.db.connect(ctx)
	if err != nil {
		return nil, err
	}
	out := client.DoMulti(
		ctx,
		client.B().Hset().Key(b.key()).FieldValue().FieldValue(replica, word).Build(),
		client.B().Pexpire().Key(b.key()).Milliseconds(keep.Milliseconds()).Build(),
		client.B().Hgetall().Key(b.key()).Build(),
	)
	for _, r := range out {
		if err := r.Error(); err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
	}
	all, err := out[2].AsStrMap()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	return all, nil
}

// Forget removes the words of these replicas.
func (b *Board) Forget(ctx context.Context, replicas []string) error {
	client, err := b.db.connect(ctx)
	if err != nil {
		return err
	}
	if err := client.Do(ctx, client.B().Hdel().Key(b.key()).Field(replicas...).Build()).Error(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}
