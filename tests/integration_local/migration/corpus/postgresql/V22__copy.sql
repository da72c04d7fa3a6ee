CREATE TABLE copied (a integer, b text);
COPY copied (a, b) FROM stdin;
1	one; two
2	it's
3	\N
4	a\tb
\.
INSERT INTO copied VALUES (5, 'after');
