INSERT INTO placed VALUES ('$${word}'), ('$ {word} $'), ($t$${word}$t$), ('{${word}}'), ('$$$${word}'), ('$$$${word}$${word}');
