-- a comment; with a semicolon
/* one
   of lines; */
INSERT INTO seen /* inside; */ VALUES -- behind; '
  ('comments', '-- no /* comment */'); -- after
/* outer /* inner; */ still; */ SELECT 20; /* last */
-- end