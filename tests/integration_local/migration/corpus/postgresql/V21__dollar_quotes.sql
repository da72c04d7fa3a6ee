INSERT INTO seen VALUES ('dollar', $$a ; 'b' "c" -- d$$);
INSERT INTO seen VALUES ('dollar with a tag', $tag$a $$ ; $other$ $tag$);
DO $body$
BEGIN
  EXECUTE 'INSERT INTO seen VALUES (''do'', $in$;$in$)';
END;
$body$;
