-- lines end with CR LF
INSERT INTO seen VALUES
  ('crlf', 'first
second');
