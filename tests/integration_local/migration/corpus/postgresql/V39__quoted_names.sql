CREATE TABLE "odd; -- name" ("a""b;" integer, "'" text);
