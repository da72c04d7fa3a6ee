INSERT INTO seen VALUES ('utf16', 'Ünïcödé');
