INSERT INTO seen
VALUES ('bom crlf', NULL);
