-- ${word} in a comment
CREATE TABLE ${table_name} (word text);
INSERT INTO ${TABLE_NAME} VALUES ('${word}'), ('${flyway:table}'), ('${flyway:defaultSchema}'), ('${flyway:filename}'),
  ('${flyway:user}'), ('${flyway:database}'), ('${flyway:environment}'), ('${empty}');
COPY ${table_name} FROM stdin;
data of ${word}
\.
