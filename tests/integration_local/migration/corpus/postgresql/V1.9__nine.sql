UPDATE product SET price = 9;
