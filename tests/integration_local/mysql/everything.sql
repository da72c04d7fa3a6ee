-- One of everything that a dump has to carry.
CREATE TABLE `it's a ``table"` (
  id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `näme, with; everything` varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
  doc longtext CHECK (json_valid(doc)), raw longblob, fixed binary(5), amount decimal(20, 5), ratio double, small float,
  flags bit(10), feeling enum('sad', 'ok', 'häppy'), tags set('a', 'b''c', 'ü'), born date, at datetime(6),
  stamped timestamp(6) NULL, lasts time(3), y year, big bigint unsigned, tiny tinyint(1), latin varchar(20) CHARACTER SET latin1,
  doubled decimal(21, 5) GENERATED ALWAYS AS (amount * 2) STORED, tripled decimal(22, 5) GENERATED ALWAYS AS (amount * 3) VIRTUAL,
  hidden int INVISIBLE DEFAULT 7,
  KEY by_name (`näme, with; everything`(20)), UNIQUE KEY (big), KEY (doubled)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='ein "Kommentar" \\ mit ''allem''';
INSERT INTO `it's a ``table"`
  (`näme, with; everything`, doc, raw, fixed, amount, ratio, small, flags, feeling, tags, born, at, stamped, lasts, y, big, tiny, latin, hidden)
SELECT CONCAT('row\t', seq, '\n\\.😀'), JSON_OBJECT('n', seq, 'x', JSON_ARRAY(1, 'ü')), UNHEX(SHA2(seq, 256)), UNHEX('00ff0a0d27'),
  seq / 7, seq / 3 * POW(10, seq % 300), seq / 3, seq % 1024, 1 + seq % 3, seq % 8,
  IF(seq % 10, DATE '2026-03-29' + INTERVAL seq DAY, '0000-00-00'), TIMESTAMP '2026-03-29 01:59:59.123456' + INTERVAL seq MINUTE,
  FROM_UNIXTIME(1000000000 + seq * 3600 + 0.654321), SEC_TO_TIME(seq - 2000.125), 1950 + seq % 150, 18446744073709551615 - seq, seq % 2, 'grün', seq
FROM seq_1_to_5000;
INSERT INTO `it's a ``table"` (`näme, with; everything`) VALUES ('');
CREATE TABLE words (word varchar(50) COLLATE utf8mb4_bin PRIMARY KEY, n int CHECK (n > 0), note text, FULLTEXT (note));
INSERT INTO words SELECT CONCAT(CHAR(65 + seq % 60), seq), seq, CONCAT('note ', seq) FROM seq_1_to_3000;
CREATE TABLE without_key (a int, b text);
INSERT INTO without_key SELECT seq, REPEAT('x', seq % 50) FROM seq_1_to_60000;
CREATE TABLE empty (nothing int);
CREATE TABLE places (id int PRIMARY KEY, p point NOT NULL, SPATIAL INDEX (p));
INSERT INTO places SELECT seq, POINT(seq, seq / 7) FROM seq_1_to_100;
CREATE TABLE measured (at date NOT NULL, value float, PRIMARY KEY (at)) PARTITION BY RANGE (YEAR(at))
  (PARTITION p2025 VALUES LESS THAN (2026), PARTITION rest VALUES LESS THAN MAXVALUE);
INSERT INTO measured SELECT DATE '2025-06-01' + INTERVAL seq DAY, seq / 9 FROM seq_1_to_400;
CREATE TABLE parent (id int AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 500;
CREATE TABLE child (id int PRIMARY KEY, parent int, CONSTRAINT `of parent` FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE);
INSERT INTO parent VALUES (), (); INSERT INTO child VALUES (1, 500), (2, NULL);
CREATE TABLE history (id int PRIMARY KEY, price int) WITH SYSTEM VERSIONING;
INSERT INTO history VALUES (1, 10), (2, 20); UPDATE history SET price = 11 WHERE id = 1; DELETE FROM history WHERE id = 2;
CREATE TABLE other_engine (id int PRIMARY KEY) ENGINE=MyISAM; INSERT INTO other_engine VALUES (1), (2);
CREATE TABLE forgets (id int) ENGINE=MEMORY; INSERT INTO forgets VALUES (1), (1);
CREATE TABLE crash_safe (id int, KEY (id)) ENGINE=Aria; INSERT INTO crash_safe VALUES (3);
CREATE SEQUENCE untouched START 7;
CREATE SEQUENCE counting INCREMENT 10 CACHE 5; SELECT SETVAL(counting, 41);
CREATE TABLE numbered (id int DEFAULT (NEXT VALUE FOR counting) PRIMARY KEY, at timestamp DEFAULT current_timestamp() ON UPDATE current_timestamp());
INSERT INTO numbered (id) VALUES (3);
CREATE TABLE log (id int AUTO_INCREMENT PRIMARY KEY, said text);
CREATE VIEW many AS SELECT word, n - (n - 1) AS one, 'ü' AS letter FROM words WHERE n > 10;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `the view's view` AS SELECT * FROM many WHERE one <> 2 WITH CASCADED CHECK OPTION;
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT';
CREATE FUNCTION "joined"(a text, b text) RETURNS text DETERMINISTIC RETURN a || '-' || b;
SET sql_mode = DEFAULT;
SET NAMES latin1; CREATE FUNCTION old_letters() RETURNS text DETERMINISTIC RETURN CONCAT('gr', CHAR(252 USING latin1), 'n'); SET NAMES utf8mb4;
CREATE VIEW joining AS SELECT joined(word, 'x') AS w FROM words;
DELIMITER //
CREATE PROCEDURE `add; to log`(said text) COMMENT 'it''s' BEGIN -- it's; a comment
  INSERT INTO log (said) VALUES (CONCAT(said, ';;', '😀'));
END//
DELIMITER ;
CREATE TRIGGER first_of_two BEFORE INSERT ON parent FOR EACH ROW SET @seen = 'ü';
DELIMITER //
CREATE TRIGGER second_of_two BEFORE INSERT ON parent FOR EACH ROW BEGIN CALL `add; to log`('parent'); END//
DELIMITER ;
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:00:00' ON COMPLETION PRESERVE COMMENT 'every night' DO DELETE FROM log WHERE id < 0;
CREATE EVENT once ON SCHEDULE AT current_timestamp() + INTERVAL 1 YEAR DO DELETE FROM log;
