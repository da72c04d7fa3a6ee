CREATE PROCEDURE looped(n int)
BEGIN
  DECLARE i int DEFAULT 0;
  one: LOOP
    SET i = i + 1;
    IF i > n THEN LEAVE one; END IF;
    CASE i WHEN 1 THEN SELECT 1; ELSE BEGIN SELECT CASE WHEN i = 2 THEN 'two' ELSE 'more' END; END; END CASE;
  END LOOP one;
  WHILE i > 0 DO SET i = i - 1; END WHILE;
  REPEAT SET i = i + 1; UNTIL i > 2 END REPEAT;
END;
CALL looped(3);
