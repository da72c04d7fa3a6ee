INSERT INTO notes (said) VALUES (x'00ff'), (1.5e3), (NULL), ('multi
line;');
SELECT $a || @b || :c || ?1 WHERE 0;
