import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { connect } from 'tablecast/client';
import { TablecastProvider } from 'tablecast/react';
import { Tasks } from './Tasks.tsx';
import './base.css';
import './style.css';

// The page of `npm run dev` is at another address than the application, so that the address is from the root.
const client = connect('/{{app_id}}');
const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no element with the id "root"');

createRoot(root).render(
  <StrictMode>
    <TablecastProvider client={client}>
      <Tasks />
    </TablecastProvider>
  </StrictMode>,
);
