/** The site's looks: VitePress's own, with tables of long names that stay within the page. */
import DefaultTheme from 'vitepress/theme';
import './tables.css';

export default DefaultTheme;
