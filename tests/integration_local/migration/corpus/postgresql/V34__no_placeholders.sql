INSERT INTO placed VALUES ('${word} itself');
