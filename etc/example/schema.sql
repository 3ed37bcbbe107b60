-- The table that the New Customer event writes to.  An id that comes twice is refused by the primary
-- key: the event's reply then says so for that action (409) while its other actions are done.
CREATE TABLE IF NOT EXISTS customers (
	id      text PRIMARY KEY,
	name    text,
	email   text NOT NULL,
	city    text,
	created timestamptz
);
