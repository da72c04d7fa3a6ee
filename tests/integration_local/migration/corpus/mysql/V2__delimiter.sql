DELIMITER $$
CREATE PROCEDURE noted(IN said text)
BEGIN
  INSERT INTO notes (said) VALUES (said);
  INSERT INTO notes (said) VALUES ('; $ ;');
END$$
DELIMITER ;
CALL noted('a');
