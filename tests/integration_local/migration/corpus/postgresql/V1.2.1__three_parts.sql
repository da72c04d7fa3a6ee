UPDATE product SET stock = 3;
