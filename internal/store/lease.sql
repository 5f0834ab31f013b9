-- What replicas share of limits, when there is no Redis. Nothing here is the
-- truth about money: that is the ledger. So the tables need no WAL: after a
-- crash of the server they are empty, and replicas say again what they hold.
CREATE UNLOGGED TABLE IF NOT EXISTS lease_meters (
    meter    TEXT PRIMARY KEY,
    base     BIGINT,
    base_at  BIGINT NOT NULL DEFAULT 0,
    short_at BIGINT NOT NULL DEFAULT 0,
    seconds  JSONB NOT NULL DEFAULT '{}',  -- of rates: used, by second
    holders  JSONB NOT NULL DEFAULT '{}',  -- by replica: epoch, seq, held, idle, expires
    forget   BIGINT NOT NULL DEFAULT 0     -- nobody needs the row from then on
) WITH (fillfactor = 50);
CREATE UNLOGGED TABLE IF NOT EXISTS lease_replicas (
    replica TEXT PRIMARY KEY,
    expires BIGINT NOT NULL
);

-- One step of each meter: limit.Shared.Apply says what it means. An ask is an
-- array: meter, span, amount, epoch, seq, fresh, keep, need, wish, spare, idle,
-- base, base_at, add, replicas, until, grace, used [second, n, ...], scrap, least. A grant is
-- an array: status, held, taken, base, idle, short, tight, [second, n, ...].
-- Times are in microseconds; asks come sorted by meter, so that two calls never
-- wait for each other in a circle.
CREATE OR REPLACE FUNCTION penstock_lease(who TEXT, asks JSONB, clock BIGINT,
    ttl BIGINT, tight_for BIGINT, slices BIGINT, settles BIGINT, win BIGINT) RETURNS JSONB AS $$
DECLARE
    now_us BIGINT := clock;
    sec BIGINT;
    ask JSONB;
    m lease_meters%ROWTYPE;
    me JSONB;
    reborn BOOLEAN;
    a_meter TEXT; a_span TEXT;
    a_amount BIGINT; a_epoch BIGINT; a_seq BIGINT; a_fresh BOOLEAN;
    a_keep BIGINT; a_need BIGINT; a_base BIGINT; a_base_at BIGINT; a_grace BIGINT; a_until BIGINT;
    used JSONB;
    taken BIGINT; others BIGINT; others_idle BIGINT; unused BIGINT;
    room BIGINT; got BIGINT; more BIGINT;
    missing BOOLEAN;
    answer JSONB;
    answers JSONB := '[]';
BEGIN
    IF now_us = 0 THEN
        now_us := (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT;
    END IF;
    sec := now_us / 1000000;
    FOR ask IN SELECT v FROM jsonb_array_elements(asks) AS v LOOP
        a_meter := ask->>0; a_span := ask->>1; a_amount := (ask->>2)::BIGINT;
        a_epoch := (ask->>3)::BIGINT; a_seq := (ask->>4)::BIGINT; a_fresh := (ask->>5)::BOOLEAN;
        a_keep := (ask->>6)::BIGINT; a_need := (ask->>7)::BIGINT;
        a_base := (ask->>11)::BIGINT; a_base_at := (ask->>12)::BIGINT;
        a_until := (ask->>15)::BIGINT; a_grace := (ask->>16)::BIGINT;
        used := ask->17;

        SELECT * INTO m FROM lease_meters WHERE meter = a_meter FOR UPDATE;
        IF NOT FOUND THEN
            INSERT INTO lease_meters (meter) VALUES (a_meter) ON CONFLICT DO NOTHING;
            SELECT * INTO m FROM lease_meters WHERE meter = a_meter FOR UPDATE;
        END IF;
        SELECT coalesce(jsonb_object_agg(key, value), '{}') INTO m.seconds
            FROM jsonb_each(m.seconds) WHERE key::BIGINT >= sec - win;
        SELECT coalesce(jsonb_object_agg(key, value), '{}') INTO m.holders
            FROM jsonb_each(m.holders) WHERE now_us < (value->>4)::BIGINT + a_grace;

        me := m.holders->who;
        reborn := me IS NOT NULL AND (me->>0)::BIGINT < a_epoch;
        IF me IS NOT NULL AND (me->>0)::BIGINT > a_epoch THEN
            answers := answers || '[[3]]'; CONTINUE;
        ELSIF a_span = 'budget' AND a_base_at = 0 AND (m.base IS NULL OR reborn) THEN
            answers := answers || '[[2]]'; CONTINUE;
        ELSIF me IS NULL AND NOT a_fresh THEN
            answers := answers || '[[1]]'; CONTINUE;
        END IF;
        IF reborn AND a_span = 'sliding' AND (me->>2)::BIGINT > 0 THEN
            -- Some of it may have been used.
            used := used || jsonb_build_array(sec, (me->>2)::BIGINT);
        END IF;

        IF me IS NULL OR reborn OR a_seq > (me->>1)::BIGINT THEN
            IF a_base_at > 0 AND (m.base IS NULL OR a_base > m.base OR a_base_at > m.base_at + settles) THEN
                m.base := a_base; m.base_at := a_base_at;
            END IF;
            IF a_span = 'budget' THEN
                m.base := m.base + (ask->>13)::BIGINT;
            END IF;
            IF jsonb_array_length(used) > 0 THEN
                SELECT coalesce(jsonb_object_agg(s, n), '{}') INTO m.seconds FROM (
                    SELECT s, sum(n) AS n FROM (
                        SELECT key::BIGINT AS s, value::BIGINT AS n FROM jsonb_each(m.seconds)
                        UNION ALL
                        SELECT (used->>(i * 2))::BIGINT, (used->>(i * 2 + 1))::BIGINT FROM generate_series(0, jsonb_array_length(used) / 2 - 1) AS i
                    ) AS each WHERE s >= sec - win GROUP BY s
                ) AS summed WHERE n <> 0;
            END IF;
            SELECT coalesce(sum((value->>2)::BIGINT), 0) INTO others FROM jsonb_each(m.holders) WHERE key <> who;
            SELECT coalesce(sum(value::BIGINT), 0) + others + coalesce(m.base, 0) INTO taken FROM jsonb_each(m.seconds);
            room := greatest(a_amount - taken - a_keep, 0);
            got := least(a_need, room);
            unused := (ask->>10)::BIGINT;
            IF got < a_need THEN
                m.short_at := now_us;
                IF (ask->>18)::BIGINT + got < (ask->>19)::BIGINT THEN
                    got := -(ask->>18)::BIGINT;
                ELSIF (ask->>19)::BIGINT > 0 THEN
                    unused := unused + ((ask->>18)::BIGINT + got) % (ask->>19)::BIGINT;
                END IF;
            ELSE
                more := least((ask->>8)::BIGINT, room - got);
                IF now_us >= m.short_at + tight_for THEN
                    more := more + least((ask->>9)::BIGINT, (room - got - more) / (slices * (ask->>14)::BIGINT));
                END IF;
                got := got + more; unused := unused + more;
            END IF;
            me := jsonb_build_array(a_epoch, a_seq, a_keep + got, unused, now_us + ttl);
            m.holders := m.holders || jsonb_build_object(who, me);
            UPDATE lease_meters SET base = m.base, base_at = m.base_at, short_at = m.short_at, seconds = m.seconds, holders = m.holders,
                forget = greatest(now_us + ttl + a_grace + win * 1000000, a_until * 1000000 + a_grace)
                WHERE meter = a_meter;
        END IF;

        -- Money of who is not heard of counts as not in use: it may have started again since.
        SELECT coalesce(sum((value->>2)::BIGINT), 0), coalesce(sum(CASE
                WHEN a_span = 'budget' AND now_us >= (value->>4)::BIGINT THEN (value->>2)::BIGINT
                ELSE (value->>3)::BIGINT END) FILTER (WHERE key <> who), 0)
            INTO others, others_idle FROM jsonb_each(m.holders);
        SELECT coalesce(sum(value::BIGINT), 0) + others + coalesce(m.base, 0) INTO taken FROM jsonb_each(m.seconds);
        missing := (me->>2)::BIGINT < a_keep + a_need;
        answer := jsonb_build_array(0, (me->>2)::BIGINT, taken, coalesce(m.base, 0), others_idle, missing::INT, (now_us < m.short_at + tight_for)::INT);
        IF missing AND a_span = 'sliding' THEN
            SELECT answer || coalesce(jsonb_agg(v), '[]') INTO answer FROM (
                SELECT unnest(ARRAY[key::BIGINT, value::BIGINT]) AS v FROM jsonb_each(m.seconds)
            ) AS flat;
        END IF;
        answers := answers || jsonb_build_array(answer);
    END LOOP;
    RETURN answers;
END
$$ LANGUAGE plpgsql;
