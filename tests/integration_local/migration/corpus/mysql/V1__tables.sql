CREATE TABLE `odd;name` (id int PRIMARY KEY, `a``b` text) ENGINE=InnoDB; # a comment; here
CREATE TABLE notes (id int AUTO_INCREMENT PRIMARY KEY, said text); -- and; here
INSERT INTO notes (said) VALUES ('it''s; \'x\' \\'), ("double; \" ""x""");
