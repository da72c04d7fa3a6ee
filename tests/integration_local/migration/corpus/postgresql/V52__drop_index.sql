/* outside of a transaction */
DROP INDEX CONCURRENTLY product_name;
