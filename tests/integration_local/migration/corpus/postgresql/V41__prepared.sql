PREPARE one (integer) AS SELECT $1 + 1;
EXECUTE one (1);
DEALLOCATE one;
