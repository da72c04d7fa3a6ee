SELECT 'in a folder';
