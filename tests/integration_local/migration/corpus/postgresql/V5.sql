INSERT INTO seen VALUES ('no separator', NULL);
