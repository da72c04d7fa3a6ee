SELECT 'repeatable without a description';
