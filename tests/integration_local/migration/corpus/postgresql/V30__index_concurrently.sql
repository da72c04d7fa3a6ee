CREATE INDEX CONCURRENTLY product_name ON product (name);
