-- What W2 and W3 write to, on both sides.
CREATE TABLE customers (
	id      text PRIMARY KEY,
	name    text,
	email   text NOT NULL,
	city    text,
	created timestamptz
) WITH (autovacuum_enabled = false);
