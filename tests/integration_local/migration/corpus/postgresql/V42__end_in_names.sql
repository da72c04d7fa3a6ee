CREATE TABLE begin_end (begin integer, atomic integer, "end" integer, beginning integer);
SELECT begin, atomic FROM begin_end;
