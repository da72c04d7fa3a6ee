UPDATE product SET price = price + 1;
