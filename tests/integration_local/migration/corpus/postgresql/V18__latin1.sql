INSERT INTO seen VALUES ('latin1', 'äöüß');
