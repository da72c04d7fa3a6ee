INSERT INTO seen VALUES ('outside of a transaction', NULL);
VACUUM product;
