COPY copied FROM STDIN WITH (FORMAT csv, HEADER);
a,b
6,"six; ""quoted"""
7,'
\.
COPY copied FROM stdin;
\.
