/* one; */ SELECT 1; -- two;
SELECT /* three; */ 3;
-- four