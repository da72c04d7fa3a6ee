INSERT INTO seen VALUES ('escape', E'it\'s; \\'), ('lower', e'\\');
SELECT B'01', X'1F', N'n;';
