/*!40101 SET NAMES utf8mb4 */;
/*!50003 SELECT ';' */;
/*M!100100 SELECT 1 */;
/* plain; */ SELECT /*+ hint; */ 2*/* twice; */3;
SELECT 5--1;
--
SELECT 1;
