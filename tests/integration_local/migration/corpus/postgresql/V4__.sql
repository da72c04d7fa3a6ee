INSERT INTO seen VALUES ('no description', NULL);
